# frames: drawer
import numpy as np

def reward(image):
    row = image[30].astype(int).sum(axis=1)
    i = 0
    while i < 63 and row[i] > 200:
        i += 1
    return i / 63.0
