# frames: table
import cv2
import numpy as np

class Stage:
    def __init__(self):
        self.stage = 0

    def red_visible(self, image):
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        return cv2.countNonZero(cv2.inRange(hsv, np.array([0, 120, 120]), np.array([8, 255, 255]))) > 8

    def red_high(self, image):
        top = image[:25, :, :]
        return self.red_visible(top)

    def reward(self, image):
        if self.stage == 0:
            if self.red_visible(image):
                self.stage = 1
                return 0.1
        if self.stage == 1 and self.red_high(image):
            self.stage = 2
            return 1.0
        return 0.0
