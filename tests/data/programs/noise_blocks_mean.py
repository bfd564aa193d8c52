# frames: noise
import numpy as np

def reward(image):
    gray = image.mean(axis=2)
    blocks = gray.reshape(8, 8, 8, 8).mean(axis=(1, 3))
    return float(blocks.max() - blocks.min()) / 255
