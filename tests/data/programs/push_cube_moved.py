# frames: push
import cv2
import numpy as np

class Push:
    def __init__(self):
        self.start = None
        self.moved = False

    def cube(self, image):
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        mask = cv2.inRange(hsv, np.array([45, 100, 50]), np.array([75, 255, 255]))
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        if contours:
            largest = max(contours, key=cv2.contourArea)
            x, y, w, h = cv2.boundingRect(largest)
            return (x + w // 2, y + h // 2), True
        return None, False

    def reward(self, image):
        center, found = self.cube(image)
        if not found:
            return 0
        if self.start is None:
            self.start = center
        d = np.linalg.norm(np.array(center) - np.array(self.start))
        if d > 4 and not self.moved:
            self.moved = True
            return 1
        return 0
