# frames: push
import cv2
import numpy as np

class Motion:
    def __init__(self):
        self.prev = None

    def reward(self, image):
        gray = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (5, 5), 0)
        if self.prev is None:
            self.prev = gray
            return 0.0
        diff = cv2.absdiff(gray, self.prev)
        self.prev = gray
        _, th = cv2.threshold(diff, 20, 255, cv2.THRESH_BINARY)
        th = cv2.dilate(th, None, iterations=1)
        return float(np.count_nonzero(th)) / th.size
