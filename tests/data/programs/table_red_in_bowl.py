# frames: table
import cv2
import numpy as np

def find_red(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    m1 = cv2.inRange(hsv, np.array([0, 120, 70]), np.array([10, 255, 255]))
    m2 = cv2.inRange(hsv, np.array([170, 120, 70]), np.array([180, 255, 255]))
    mask = m1 + m2
    contours, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    cubes = []
    for cnt in contours:
        if cv2.contourArea(cnt) > 10:
            M = cv2.moments(cnt)
            if M["m00"] != 0:
                cubes.append((int(M["m10"] / M["m00"]), int(M["m01"] / M["m00"])))
    return cubes

def find_bowls(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    mask = cv2.inRange(hsv, np.array([40, 40, 40]), np.array([80, 255, 255]))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [c for c in contours if cv2.contourArea(c) > 100]

def reward(first_image, image):
    score = 0
    cubes = find_red(image)
    for bowl in find_bowls(first_image):
        for cube in cubes:
            if cv2.pointPolygonTest(bowl, cube, False) >= 0:
                score += 1
    return score
