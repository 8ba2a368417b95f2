"""What templates show: plain values made from rows and from what twins answer. They decide nothing."""
