"""Two quiet looks of the dashboard, one dark and one light, safe for the colour-blind.

Success, warning and error take the hues of Okabe and Ito (2008), and never speak alone: a symbol
and a word stand beside each.
"""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="mlbench-dark",
    primary="#56b4e9",
    secondary="#7f93a3",
    accent="#56b4e9",
    foreground="#d8dde2",
    background="#14181c",
    surface="#14181c",
    panel="#20272d",
    success="#2bb98f",
    warning="#e6ab2e",
    error="#f0763a",
    dark=True,
    variables={
        "block-cursor-background": "#2b4a60",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#263038",
        "block-cursor-blurred-foreground": "#d8dde2",
        "block-cursor-blurred-text-style": "none",
        "footer-background": "#20272d",
        "footer-key-foreground": "#56b4e9",
        "scrollbar": "#3c4852",
        "scrollbar-hover": "#56656f",
        "scrollbar-active": "#56b4e9",
        "scrollbar-background": "#14181c",
        "scrollbar-background-hover": "#20272d",
        "scrollbar-background-active": "#20272d",
        "border": "#3c4852",
        "border-blurred": "#3c4852",
    },
)
LIGHT = Theme(
    name="mlbench-light",
    primary="#00629b",
    secondary="#5d6b77",
    accent="#00629b",
    foreground="#1d2329",
    background="#fbfbf9",
    surface="#fbfbf9",
    panel="#ecedea",
    success="#00694d",
    warning="#8a5a00",
    error="#a83f00",
    dark=False,
    variables={
        "block-cursor-background": "#c4dcec",
        "block-cursor-foreground": "#0d1216",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#e2e6e8",
        "block-cursor-blurred-foreground": "#1d2329",
        "block-cursor-blurred-text-style": "none",
        "footer-background": "#ecedea",
        "footer-key-foreground": "#00629b",
        "scrollbar": "#c3c8cc",
        "scrollbar-hover": "#9aa3aa",
        "scrollbar-active": "#00629b",
        "scrollbar-background": "#fbfbf9",
        "scrollbar-background-hover": "#ecedea",
        "scrollbar-background-active": "#ecedea",
        "border": "#c3c8cc",
        "border-blurred": "#c3c8cc",
    },
)


def other(theme: Theme, available: dict[str, Theme]) -> str:
    """Return the name of the light form of a dark theme, or the dark one of a light theme."""
    if theme.name.endswith(("-dark", "-light")):
        family = theme.name.rsplit("-", 1)[0]
        twin = f"{family}-{'light' if theme.dark else 'dark'}"
        if twin in available:
            return twin
    return LIGHT.name if theme.dark else DARK.name
