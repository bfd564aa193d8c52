# frames: grid
import cv2
import numpy as np

class Tracker:
    def __init__(self):
        self.flags = {"key": False, "door": False, "goal": False}
        self.steps = 0

    def update(self, image):
        self.steps += 1
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        yellow = np.sum(cv2.inRange(hsv, np.array([20, 100, 100]), np.array([35, 255, 255])) > 0)
        bonus = 0.0
        if yellow < 55 and not self.flags["key"]:
            self.flags["key"] = True
            bonus += 1.0
        if yellow < 30 and self.flags["key"] and not self.flags["door"]:
            self.flags["door"] = True
            bonus += 1.0
        return bonus - 0.01 * self.steps
