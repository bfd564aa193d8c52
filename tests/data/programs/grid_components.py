# frames: grid
import cv2
import numpy as np

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    mask = cv2.inRange(hsv, np.array([20, 100, 50]), np.array([40, 255, 255]))
    num, labels, stats, centroids = cv2.connectedComponentsWithStats(mask)
    score = 0.0
    for i in range(1, num):
        area = stats[i, cv2.CC_STAT_AREA]
        if area > 15:
            score += 1.0
        else:
            score += 0.1
    return score
