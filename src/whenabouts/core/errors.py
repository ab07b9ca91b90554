"""What can go wrong, told as: what is wrong, what was seen, what to do."""


class WhenaboutsError(Exception):
    """Base of every error that this package raises on purpose; its text is meant for the user."""


class InvalidData(WhenaboutsError, ValueError):
    """A value, row or file breaks its own rules (shape, order, range, format)."""


class FeatureMismatch(WhenaboutsError):
    """Features and model do not belong together (width, modality or backbone differ)."""


class MediaError(WhenaboutsError):
    """A media file can't be opened or decoded at all."""


class ProjectError(WhenaboutsError):
    """A project lacks what a verb needs, or holds something stale."""


class SettingsError(WhenaboutsError, ValueError):
    """A recipe, a `--set` or an argument is unknown, missing or of the wrong type."""


class WriteError(WhenaboutsError):
    """A file can't be written: no room, no right, or a limit of the system."""


class ProcessLost(WhenaboutsError):
    """Another process of the same run has ended, stands still, or does something else."""
