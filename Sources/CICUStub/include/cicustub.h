// Nothing to call: that the library is linked is all.
