"""Open systems of damped linear modes as equations of moments, whose number does not grow with temperature."""
