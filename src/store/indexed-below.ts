/** The fact that says how far the index of words is: the newest message that is still to be indexed has a lower number. 0: none is. Absent: all may be. */
export const INDEXED_BELOW = "message-words-below";
