# frames: drawer
import cv2
import numpy as np

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    brown = cv2.inRange(hsv, np.array([5, 100, 40]), np.array([15, 255, 160]))
    brown = cv2.morphologyEx(brown, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(brown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) == 0:
        return 0.0
    x, y, w, h = cv2.boundingRect(max(contours, key=cv2.contourArea))
    return (x + w) / 64.0 - y / 640.0
