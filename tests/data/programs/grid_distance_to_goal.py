# frames: grid
import cv2
import numpy as np

def find_center(mask):
    M = cv2.moments(mask)
    if M["m00"] == 0:
        return None
    return (M["m10"] / M["m00"], M["m01"] / M["m00"])

def reward(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    red = cv2.inRange(hsv, (0, 120, 70), (10, 255, 255))
    green = cv2.inRange(hsv, (45, 100, 100), (75, 255, 255))
    agent, goal = find_center(red), find_center(green)
    if agent is None or goal is None:
        return 0.0
    dist = np.sqrt((agent[0] - goal[0]) ** 2 + (agent[1] - goal[1]) ** 2)
    return 1.0 - dist / 90.5
