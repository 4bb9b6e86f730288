"""Reports on a classifier of images, as one page of HTML in one file."""
