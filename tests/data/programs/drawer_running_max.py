# frames: drawer
import cv2
import numpy as np

class RunningMax:
    def __init__(self):
        self.maximum = 0.0

    def __call__(self, image):
        lab = image.astype(np.float32) / 255.0
        brightness = lab[18:42, 30:58].mean()
        improvement = max(0.0, float(brightness) - self.maximum)
        self.maximum = max(self.maximum, float(brightness))
        return improvement
