# frames: push
import cv2
import numpy as np

def reward(initial_image, image):
    hsv = cv2.cvtColor(initial_image, cv2.COLOR_RGB2HSV)
    mask = cv2.inRange(hsv, np.array([20, 100, 100]), np.array([30, 255, 255]))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return 0.0
    x, y, w, h = cv2.boundingRect(contours[0])
    a = cv2.cvtColor(initial_image, cv2.COLOR_RGB2GRAY)[y:y + h, x:x + w]
    b = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[y:y + h, x:x + w]
    diff = cv2.absdiff(a, b)
    _, th = cv2.threshold(diff, 30, 255, cv2.THRESH_BINARY)
    return cv2.countNonZero(th) / (w * h)
