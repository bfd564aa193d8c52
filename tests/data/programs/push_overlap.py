# frames: push
import cv2
import numpy as np

def reward(first_image, image):
    hsv0 = cv2.cvtColor(first_image, cv2.COLOR_RGB2HSV)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    goal = cv2.inRange(hsv0, np.array([20, 100, 100]), np.array([32, 255, 255]))
    cube = cv2.inRange(hsv, np.array([45, 100, 50]), np.array([75, 255, 255]))
    inter = cv2.bitwise_and(goal, cube)
    area = cv2.countNonZero(cube)
    if area == 0:
        return 0.0
    return cv2.countNonZero(inter) / area
