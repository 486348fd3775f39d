"""Why a loss oscillates: gradients of the first steps of a training."""
