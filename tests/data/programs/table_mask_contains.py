# frames: table
import cv2
import numpy as np

class Zone:
    def __init__(self):
        self.zone = None
        self.best = 0

    def fill(self, shape, contour):
        mask = np.zeros(shape[:2], dtype=np.uint8)
        cv2.drawContours(mask, [contour], -1, 255, thickness=cv2.FILLED)
        return mask

    def reward(self, image):
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        if self.zone is None:
            green = cv2.inRange(hsv, np.array([40, 40, 40]), np.array([80, 255, 255]))
            contours, _ = cv2.findContours(green, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
            self.zone = self.fill(image.shape, max(contours, key=cv2.contourArea))
        red = cv2.inRange(hsv, np.array([0, 120, 70]), np.array([10, 255, 255]))
        blocks, _ = cv2.findContours(red, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        count = 0
        for b in blocks:
            m = self.fill(self.zone.shape, b)
            inter = cv2.bitwise_and(m, self.zone)
            if np.array_equal(inter, m):
                count += 1
        if count >= self.best:
            self.best = count
        return self.best
