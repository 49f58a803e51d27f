# The batch script reads this after it has started script.sh.  The button to connect appears when
# it is done: as soon as JupyterLab answers.

until (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null; do
    if ! kill -0 "$SCRIPT_PID" 2>/dev/null; then
        echo "error: JupyterLab did not start; the lines above say why" >&2
        clean_up 1
    fi
    sleep 0.5
done
