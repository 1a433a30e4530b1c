//! Native part of the guest: the zygote and the process that runs the code.
