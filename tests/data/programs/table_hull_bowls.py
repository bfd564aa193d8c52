# frames: table
import cv2
import numpy as np

class Bowls:
    def __init__(self):
        self.first = True
        self.start = None

    def bowls(self, image):
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        mask = cv2.inRange(hsv, np.array([40, 40, 40]), np.array([80, 255, 255]))
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        out = []
        for cnt in contours:
            hull = cv2.convexHull(cnt)
            approx = cv2.approxPolyDP(hull, 0.01 * cv2.arcLength(hull, True), True)
            area = cv2.contourArea(approx)
            perimeter = cv2.arcLength(approx, True)
            circularity = 4 * np.pi * (area / (perimeter * perimeter)) if perimeter > 0 else 0
            if 100 < area < 500 and circularity > 0.8:
                out.append(approx)
        return out

    def reward(self, image_path):
        image = cv2.imread(image_path)
        if self.first:
            self.start = image
            self.first = False
        return len(self.bowls(self.start)) + 0.1 * len(self.bowls(image))
