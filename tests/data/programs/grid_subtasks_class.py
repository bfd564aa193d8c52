# frames: grid
import cv2
import numpy as np


class DoorKeyReward:
    def __init__(self):
        self.has_key = False
        self.door_open = False
        self.first_yellow = None

    def _yellow(self, image):
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        lower = np.array([20, 100, 100])
        upper = np.array([30, 255, 255])
        return cv2.inRange(hsv, lower, upper)

    def reward(self, image):
        mask = self._yellow(image)
        count = cv2.countNonZero(mask)
        if self.first_yellow is None:
            self.first_yellow = count
        r = 0.0
        if not self.has_key and count < self.first_yellow - 8:
            self.has_key = True
            r = 0.5
        if self.has_key and not self.door_open and count < self.first_yellow * 0.6:
            self.door_open = True
            r = 0.5
        return r
