# frames: grid
import cv2
import numpy as np

class KeyTask():
    def __init__(self):
        self.done = False
        self.first_frame = True
        self.initial_image = None

    def reset(self):
        self.done = False
        self.first_frame = True
        self.initial_image = None

    def find_key(self, image):
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        mask = cv2.inRange(hsv, np.array([20, 100, 100]), np.array([30, 255, 255]))
        contours, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        for cnt in contours:
            peri = cv2.arcLength(cnt, True)
            approx = cv2.approxPolyDP(cnt, 0.02 * peri, True)
            if len(approx) > 4:
                x, y, w, h = cv2.boundingRect(cnt)
                return (x + w // 2, y + h // 2), True
        return (0, 0), False

    def check_and_progress(self, image_path):
        image = cv2.imread(image_path)
        if self.first_frame:
            self.initial_image = image
            self.first_frame = False
        _, found = self.find_key(image)
        _, was_there = self.find_key(self.initial_image)
        reward = 0
        if was_there and not found and not self.done:
            self.done = True
            reward = 1
        return reward
