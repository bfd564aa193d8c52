# frames: drawer
import cv2
import numpy as np

def reward(image):
    small = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    handle = (hsv[:, :, 1] < 60) & (hsv[:, :, 2] > 90)
    return float(np.sum(handle[8:24, 12:30])) / 100.0
