# frames: grid
import cv2

def reward(previous_image, image):
    diff = cv2.absdiff(previous_image, image)
    gray = cv2.cvtColor(diff, cv2.COLOR_RGB2GRAY)
    _, moved = cv2.threshold(gray, 25, 255, cv2.THRESH_BINARY)
    return cv2.countNonZero(moved) / (image.shape[0] * image.shape[1])
