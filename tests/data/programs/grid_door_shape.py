# frames: grid
import cv2
import numpy as np

def reward(img):
    hsv = cv2.cvtColor(img, cv2.COLOR_RGB2HSV)
    mask = cv2.inRange(hsv, np.array([22, 90, 60]), np.array([38, 255, 255]))
    cnts, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not cnts:
        return 0.0
    door = max(cnts, key=cv2.contourArea)
    x, y, w, h = cv2.boundingRect(door)
    # an open door is a thin vertical strip
    return 1.0 if h > 2 * w else 0.0
