# frames: push
import cv2
import numpy as np

class Shaped:
    gamma = 0.99

    def __init__(self):
        self.last = None

    def potential(self, image):
        r, g, b = cv2.split(image)
        cube = (g > 150) & (r < 80)
        goal = (r > 200) & (g > 150) & (b < 80)
        if not cube.any() or not goal.any():
            return 0.0
        cy, cx = np.argwhere(cube).mean(axis=0)
        gy, gx = np.argwhere(goal).mean(axis=0)
        return -np.hypot(cx - gx, cy - gy) / 64.0

    def reward(self, image):
        p = self.potential(image)
        r = 0.0 if self.last is None else self.gamma * p - self.last
        self.last = p
        return r
