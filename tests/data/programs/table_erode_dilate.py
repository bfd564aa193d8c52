# frames: table
import cv2
import numpy as np

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    mask = cv2.inRange(hsv, np.array([40, 40, 40]), np.array([80, 255, 255]))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    core = cv2.erode(mask, kernel, iterations=2)
    grown = cv2.dilate(core, kernel, iterations=2)
    return (cv2.countNonZero(grown) - cv2.countNonZero(core)) / 1000.0
