# Leaves processes behind in every way a shell knows. Each has the word "left-behind" in its command line.
leave() { exec sh -c 'trap "" TERM HUP INT; while :; do sleep 1; done' "left-behind-$1"; }
setsid sh -c 'trap "" TERM HUP INT; while :; do sleep 1; done' left-behind-setsid >/dev/null 2>&1 </dev/null &
nohup sh -c 'trap "" TERM HUP INT; while :; do sleep 1; done' left-behind-nohup >/dev/null 2>&1 </dev/null &
(leave background >/dev/null 2>&1 </dev/null &)
env -i /usr/bin/python3 -c '
import os, time
for _ in range(3):
    if os.fork():
        os._exit(0)
    os.setsid()
while True:
    time.sleep(1)
' left-behind-forks >/dev/null 2>&1 </dev/null &
sleep 1
echo left
