def moments(fit, alpha): raise NotImplementedError
def law(fit): raise NotImplementedError
def optimum(fit, threshold): raise NotImplementedError
