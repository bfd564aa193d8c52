# frames: push
import cv2
import numpy as np

class RegionWatcher:
    def __init__(self):
        self.box = None
        self.base = None

    def reward(self, image):
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if self.box is None:
            hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
            mask = cv2.inRange(hsv, np.array([20, 100, 100]), np.array([30, 255, 255]))
            self.box = cv2.boundingRect(mask)
            x, y, w, h = self.box
            self.base = float(gray[y:y + h, x:x + w].mean())
        x, y, w, h = self.box
        now = float(gray[y:y + h, x:x + w].mean())
        return (self.base - now) / 255.0
