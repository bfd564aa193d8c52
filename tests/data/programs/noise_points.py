# frames: noise
import cv2
import numpy as np

def reward(image):
    mask = cv2.inRange(image, np.array([0, 0, 120]), np.array([255, 255, 255]))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) == 0:
        return 0.0
    c = max(contours, key=cv2.contourArea)
    pts = c.reshape(-1, 2)
    return float(pts[:, 0].max() - pts[:, 0].min() + pts[:, 1].mean()) / 64
