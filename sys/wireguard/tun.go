// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package wireguard

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
	wg "golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
)

// tunDevice is WireGuard in this process, behind a tun device (Documentation/networking/tuntap.rst).
type tunDevice struct {
	name string
	dev  *wg.Device
}

// openTun makes a tun device that outlives this process, or attaches to it, and runs WireGuard on it.
func (c *Conn) openTun(spec netlink.LinkSpec) (device, error) {
	var d *tunDevice
	err := c.enter(func() error {
		fd, err := tunFile(spec.Name)
		if err != nil {
			return err
		}
		if err := c.keep(fd, spec); err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		link, _, err := tun.CreateUnmonitoredTUNFromFD(fd)
		if err != nil {
			return errors.Join(fmt.Errorf("tun device %s: %w", spec.Name, err), unix.Close(fd))
		}
		quiet := &wg.Logger{Verbosef: wg.DiscardLogf, Errorf: wg.DiscardLogf} // what matters is in the state that is read
		d = &tunDevice{spec.Name, wg.NewDevice(link, bind{conn.NewStdNetBind(), c.ns}, quiet)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// tunFile opens a tun device of that name.
func tunFile(name string) (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return 0, ErrNoTun
	}
	if err != nil {
		return 0, fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("tun device %s: %w", name, err), unix.Close(fd))
	}
	return fd, nil
}

// keep marks the link and lets it outlive the process, in this order: what is left behind without a mark is nobody's.
func (c *Conn) keep(fd int, spec netlink.LinkSpec) error {
	link, err := c.links.Link(spec.Name)
	if err != nil {
		return err
	}
	if err := c.links.SetGroup(link.Index, int(spec.Group)); err != nil {
		return err
	}
	if spec.MTU > 0 && link.MTU != spec.MTU {
		if err := c.links.SetMTU(link.Index, spec.MTU); err != nil {
			return err
		}
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return fmt.Errorf("tun device %s: keep: %w", spec.Name, err)
	}
	return nil
}

// bind opens the sockets in a namespace, whichever goroutine asks.
type bind struct {
	conn.Bind
	ns *netns.NS
}

// Open implements conn.Bind.
func (b bind) Open(port uint16) (receive []conn.ReceiveFunc, actual uint16, err error) {
	if b.ns == nil {
		return b.Bind.Open(port)
	}
	err = b.ns.Do(func() (err error) {
		receive, actual, err = b.Bind.Open(port)
		return err
	})
	return receive, actual, err
}

func (d *tunDevice) read() (Device, error) {
	text, err := d.dev.IpcGet()
	if err != nil {
		return Device{}, d.wrap("read", err)
	}
	out, err := parseDevice(text)
	return out, d.wrap("read", err)
}

func (d *tunDevice) configure(private Key, port uint16, mark uint32) error {
	err := d.dev.IpcSet(configText(private, port, mark))
	if err == nil {
		err = d.dev.Up()
	}
	return d.wrap("set key, port and mark", err)
}

func (d *tunDevice) setPeers(changes []Change) error {
	var b strings.Builder
	for _, c := range changes {
		c.write(&b)
	}
	return d.wrap("set peers", d.dev.IpcSet(b.String()))
}

func (d *tunDevice) close() error {
	d.dev.Close()
	return nil
}

func (d *tunDevice) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("WireGuard device %s: %s: %w", d.name, what, err)
}
