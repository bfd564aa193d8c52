# frames: push
import cv2
import numpy as np

def biggest(mask):
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    best, best_area = None, 0
    for c in contours:
        a = cv2.contourArea(c)
        if a > best_area:
            best, best_area = c, a
    return best

def reward(first_image, image):
    to_hsv = lambda im: cv2.cvtColor(im, cv2.COLOR_RGB2HSV)
    goal = biggest(cv2.inRange(to_hsv(first_image), np.array([20, 100, 100]), np.array([30, 255, 255])))
    cube = biggest(cv2.inRange(to_hsv(image), np.array([45, 100, 50]), np.array([75, 255, 255])))
    if goal is None or cube is None:
        return 0
    x, y, w, h = cv2.boundingRect(cube)
    inside = cv2.pointPolygonTest(goal, (x + w // 2, y + h // 2), False)
    return 1 if inside >= 0 else 0
