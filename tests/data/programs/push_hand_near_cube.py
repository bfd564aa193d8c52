# frames: push
import cv2
import numpy as np

def centroid(mask):
    pts = np.column_stack(np.where(mask > 0))
    if len(pts) < 3:
        return None
    return pts.mean(axis=0)

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    cube = centroid(cv2.inRange(hsv, np.array([45, 100, 50]), np.array([75, 255, 255])))
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    hand = centroid(cv2.inRange(gray[8:56], 40, 75))
    if cube is None or hand is None:
        return 0.0
    hand = hand + np.array([8, 0])
    return float(1 / (1 + np.linalg.norm(cube - hand)))
