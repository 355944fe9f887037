"""What every run begins with: its first meta-parameters, and whether it can be run at all."""

from __future__ import annotations

import torch

from mlbench.contract import Algorithm, Parameters
from mlbench.episodes import seed_for
from mlbench.errors import MisuseError, PluginError
from mlbench.run.blame import blaming
from mlbench.run.setup import Experiment


def initial(experiment: Experiment, algorithm: Algorithm, device: torch.device) -> Parameters:
    """Return the meta-parameters to start from; the seed decides them."""
    generator = torch.Generator().manual_seed(seed_for("initialisation", experiment.spec.seed))
    with blaming(type(algorithm), "cannot draw its initial meta-parameters"):
        return placed(algorithm.initialise(generator), experiment, device)


def placed(parameters: Parameters, experiment: Experiment, device: torch.device) -> Parameters:
    """Return copies on a device, in the precision of the run."""
    return {
        name: value.detach().to(device, experiment.dtype, copy=True)
        for name, value in parameters.items()
    }


def check(experiment: Experiment, algorithm: Algorithm, meta: Parameters) -> None:
    """Refuse what cannot be run.

    Raises:
        MlbenchError: The technique has no meta-batch, or lacks what is to be restored, or the
            data are too few for its flat batches.
    """
    spec = experiment.spec
    if algorithm.meta_batch < 1:
        raise PluginError(
            f"{spec.algorithm} has a meta-batch of {algorithm.meta_batch} tasks;"
            " give its meta_batch at_least=1"
        )
    if spec.protocol.restores == "theta" and "theta" not in meta:
        raise MisuseError(
            f"{spec.algorithm} has no θ that protocol.restores could bring back;"
            f" it has {', '.join(meta)}; --set protocol.restores=everything or nothing"
        )
    source = experiment.datasets[spec.train_dataset]
    if algorithm.training == "batches" and source.train_classes is None:
        raise MisuseError(
            f"{spec.algorithm} trains on flat batches, and {source.name} does not say how"
            " many classes it has to train on; give it a property train_classes"
        )
    with blaming(type(source), "cannot check episodes"):
        source.check(experiment.training_stream(algorithm))
