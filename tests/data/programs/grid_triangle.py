# frames: grid
import cv2
import numpy as np

def is_triangle(c):
    peri = cv2.arcLength(c, True)
    return len(cv2.approxPolyDP(c, 0.1 * peri, True)) == 3

def reward(image):
    mask = cv2.inRange(image, np.array([150, 0, 0]), np.array([255, 80, 80]))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    n = 0
    for c in contours:
        if cv2.contourArea(c) > 4 and is_triangle(c):
            n += 1
    return n
