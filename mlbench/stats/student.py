"""Student's t of whole degrees of freedom, and the normal distribution, without scipy.

scipy takes a third of a second to import, which is most of what a table takes.
"""

from __future__ import annotations

import math


def normal_below(x: float) -> float:
    """Return the probability that a standard normal value is below ``x``."""
    return math.erfc(-x / math.sqrt(2)) / 2


def t_below(degrees: int, t: float) -> float:
    """Return the probability that Student's t is below ``t``.

    With θ = arctan(t / √ν), the probability of (-t, t) is a finite sum of powers of cos θ
    (Abramowitz and Stegun, 1964, 26.7.3 and 26.7.4).

    Args:
        degrees: Of freedom, ν; from 1.
        t: Any number.
    """
    angle = math.atan2(t, math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = cosine if odd else 1.0
    total = 0.0
    for k in range(1 + odd, degrees, 2):
        total += term
        term *= cosine * cosine * k / (k + 1)
    within = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return (1 + within) / 2


def t_quantile(degrees: int, probability: float) -> float:
    """Return the value that Student's t is below with this probability, by bisection.

    Args:
        degrees: Of freedom; from 1.
        probability: From 0.5 up to, but not including, 1.
    """
    low, high = 0.0, 1.0
    while t_below(degrees, high) < probability:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        if t_below(degrees, middle) < probability:
            low = middle
        else:
            high = middle
    return middle
