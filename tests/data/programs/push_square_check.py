# frames: push
import cv2
import numpy as np

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    green = cv2.inRange(hsv, np.array([45, 100, 50]), np.array([75, 255, 255]))
    contours, hierarchy = cv2.findContours(green, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    squares = 0
    for cnt in contours:
        if cv2.contourArea(cnt) < 10:
            continue
        x, y, w, h = cv2.boundingRect(cnt)
        ratio = w / float(h)
        extent = cv2.contourArea(cnt) / (w * h)
        if 0.7 < ratio < 1.3 and extent > 0.6:
            squares += 1
    return squares * 0.5
