# frames: noise
import cv2
import numpy as np

def reward(image):
    mask = cv2.inRange(image, np.array([100, 0, 0]), np.array([255, 255, 255]))
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    longest = 0.0
    for c in contours:
        longest = max(longest, cv2.arcLength(c, True))
    return longest / 256
