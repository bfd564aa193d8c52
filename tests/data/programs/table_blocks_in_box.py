# frames: table
import cv2
import numpy as np

class BoxTask:
    def __init__(self):
        self.complete = False
        self.initial = None

    def contours_of(self, image, lower, upper):
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        mask = cv2.inRange(hsv, np.array(lower, np.uint8), np.array(upper, np.uint8))
        found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        return found

    def achieved(self, image):
        boxes = self.contours_of(self.initial, [5, 50, 20], [20, 255, 200])
        box = max(boxes, key=cv2.contourArea) if boxes else None
        if box is None:
            return False, 0
        bx, by, bw, bh = cv2.boundingRect(box)

        def inside(c, bx, by, bw, bh):
            x, y, w, h = cv2.boundingRect(c)
            return (bx < x < bx + bw) and (by < y < by + bh)

        n, complete = 0, True
        for c in self.contours_of(image, [80, 50, 50], [100, 255, 255]):
            if not inside(c, bx, by, bw, bh):
                complete = False
            else:
                n += 1
        return complete, n

    def reward(self, image_path):
        image = cv2.imread(image_path)
        if self.initial is None:
            self.initial = image
        done, n = self.achieved(image)
        if done and self.complete == False:
            self.complete = True
        return n
