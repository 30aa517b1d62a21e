import subprocess, os
def test_probe():
    flags=[l for l in open("/proc/cpuinfo") if l.startswith("flags")][0]
    out=["cx16" in flags.split(), "cx8" in flags.split(), open("/proc/cmdline").read(), open("/proc/meminfo").read()[:400]]
    out.append(subprocess.run("dmesg | tail -30", shell=True, capture_output=True, text=True).stdout)
    out.append(subprocess.run("ls /sys/kernel/slab | head -80; cat /proc/vmallocinfo | wc -l; cat /sys/kernel/slab/kmalloc-64/*flags* /sys/kernel/slab/kmalloc-64/sanity_checks /sys/kernel/slab/kmalloc-64/cpu_slabs /sys/kernel/slab/kmalloc-64/aliases; ls -la /sys/kernel/slab/kmalloc-64/", shell=True, capture_output=True, text=True).stdout)
    raise AssertionError("\n".join(map(str,out)))
