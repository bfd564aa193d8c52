# frames: drawer
import cv2
import numpy as np

class WithPenalty:
    def __init__(self):
        self.t = 0
        self.previous = None

    def reward(self, image):
        self.t += 1
        gray = cv2.blur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (3, 3))
        moved = 0.0
        if self.previous is not None:
            moved = float(cv2.norm(gray, self.previous, cv2.NORM_L1)) / gray.size
        self.previous = gray
        return moved / 10 - 0.01 * self.t
