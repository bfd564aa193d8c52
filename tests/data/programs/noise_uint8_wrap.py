# frames: noise
import numpy as np

def reward(image):
    # differences of unsigned numbers wrap around
    d = image[:, :, 0] - image[:, :, 1]
    return float((d > 128).mean() + (image[1:] - image[:-1]).mean() / 255)
