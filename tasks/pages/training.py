"""Descriptions of a training."""

from rnn_models.settings import TrainSettings


def clipping_words(settings: TrainSettings) -> str:
    """Describe how gradients are clipped."""
    return {
        "norm": f"norm {settings.clip_norm:g}",
        "value": f"value {settings.clip_value:g}",
        "adaptive": f"percentile {settings.clip_percentile:g} of the norms so far",
        "none": "nothing",
    }[settings.clipping]
