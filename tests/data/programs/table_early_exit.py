# frames: table
import cv2
import numpy as np

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    mask = cv2.inRange(hsv, np.array([0, 80, 80]), np.array([179, 255, 255]))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    target = None
    for c in contours:
        x, y, w, h = cv2.boundingRect(c)
        if w > 14:
            target = (x, y, w, h)
            break
    if target is None:
        return 0
    x, y, w, h = target
    return int(mask[y + h // 2, x + w // 2] > 0)
