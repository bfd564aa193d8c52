# frames: drawer
import cv2
import numpy as np

class DrawerOpen:
    def __init__(self):
        self.first = None
        self.opened = False

    def reward(self, image):
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        if self.first is None:
            self.first = gray.copy()
        front = cv2.absdiff(gray[20:42, 24:56], self.first[20:42, 24:56])
        ratio = np.count_nonzero(front > 40) / front.size
        if ratio > 0.35 and not self.opened:
            self.opened = True
            return 1.0
        return float(ratio)
