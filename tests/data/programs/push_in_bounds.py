# frames: push
import cv2
import numpy as np

class Checker:
    def __init__(self):
        self.goal = None
        self.hits = 0

    def bbox(self, image, lo, hi):
        mask = cv2.inRange(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), np.array(lo), np.array(hi))
        ys, xs = np.where(mask)
        if len(ys) == 0:
            return None
        return xs.min(), ys.min(), xs.max(), ys.max()

    def reward(self, image):
        if self.goal is None:
            self.goal = self.bbox(image, [20, 100, 100], [30, 255, 255])
        cube = self.bbox(image, [45, 100, 50], [75, 255, 255])
        if self.goal is None or cube is None:
            return 0.0
        cx = (cube[0] + cube[2]) / 2
        cy = (cube[1] + cube[3]) / 2
        inside = self.goal[0] <= cx <= self.goal[2] and self.goal[1] <= cy <= self.goal[3]
        if inside:
            self.hits += 1
        return 1.0 if self.hits >= 2 else (0.5 if inside else 0.0)
