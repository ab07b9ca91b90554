"""One loop for all trainees: it knows steps, rates, devices and checkpoints, and no task."""

from whenabouts.training.devices import Compute, choose_compute, choose_device, one_thread
from whenabouts.training.loop import Fitted, Measured, Plan, Trainee, fit

__all__ = ["Compute", "Fitted", "Measured", "Plan", "Trainee", "choose_compute", "choose_device", "fit", "one_thread"]
