# frames: grid
import cv2
import numpy as np

class Machine:
    SEARCH, CARRY, OPEN, DONE = 0, 1, 2, 3

    def __init__(self):
        self.stage = self.SEARCH

    def counts(self, image):
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        yellow = cv2.countNonZero(cv2.inRange(hsv, np.array([25, 100, 100]), np.array([35, 255, 255])))
        green = cv2.countNonZero(cv2.inRange(hsv, np.array([50, 100, 100]), np.array([70, 255, 255])))
        return yellow, green

    def reward(self, image):
        yellow, green = self.counts(image)
        if self.stage == self.SEARCH and yellow < 55:
            self.stage = self.CARRY
            return 0.25
        elif self.stage == self.CARRY and yellow < 30:
            self.stage = self.OPEN
            return 0.25
        elif self.stage == self.OPEN and green < 40:
            self.stage = self.DONE
            return 0.5
        return 0.0
