# frames: push
import cv2
import numpy as np

KERNEL = np.ones((3, 3), np.uint8)

def largest_center(mask):
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, KERNEL)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, KERNEL)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) == 0:
        return None
    c = max(contours, key=lambda k: cv2.contourArea(k))
    M = cv2.moments(c)
    if M["m00"] == 0:
        return None
    return int(M["m10"] / M["m00"]), int(M["m01"] / M["m00"])

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    cube = largest_center(cv2.inRange(hsv, (40, 80, 40), (80, 255, 255)))
    goal = largest_center(cv2.inRange(hsv, (18, 80, 80), (35, 255, 255)))
    if cube is None:
        return -1.0
    if goal is None:
        return 1.0
    dx, dy = cube[0] - goal[0], cube[1] - goal[1]
    return max(0.0, 1.0 - (dx * dx + dy * dy) ** 0.5 / 64)
