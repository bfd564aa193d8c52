# frames: push
import cv2
import numpy as np

class PandaPush():
    def __init__(self):
        self.first_frame = True
        self.initial_image = None

    def locate(self, image, lower, upper):
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        mask = cv2.inRange(hsv, lower, upper)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        if contours:
            c = max(contours, key=cv2.contourArea)
            x, y, w, h = cv2.boundingRect(c)
            return (x, y, w, h), True
        else:
            return None, False

    def center(self, box):
        return (box[0] + box[2] // 2, box[1] + box[3] // 2)

    def check_and_progress(self, image_path):
        image = cv2.imread(image_path)
        if self.first_frame:
            self.initial_image = image
            self.first_frame = False
        green = (np.array([45, 100, 50]), np.array([75, 255, 255]))
        yellow = (np.array([20, 100, 100]), np.array([30, 255, 255]))
        goal, goal_found = self.locate(self.initial_image, yellow[0], yellow[1])
        cube, cube_found = self.locate(image, green[0], green[1])
        start, start_found = self.locate(self.initial_image, green[0], green[1])
        if not goal_found or not cube_found or not start_found:
            return 0
        d0 = np.linalg.norm(np.array(self.center(start)) - np.array(self.center(goal)))
        d = np.linalg.norm(np.array(self.center(cube)) - np.array(self.center(goal)))
        return (d0 - d) / d0
