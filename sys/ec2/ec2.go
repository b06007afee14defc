// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package ec2 reads and switches the source/destination check of this node in Amazon's EC2: make a Client with New, then ask Check or call Set.
//
// With the check on, EC2 drops what a node sends or receives under addresses that are not its own, such as those of workloads without a tunnel. The
// client knows two calls of the API and has them signed by AWS's own library, whose package for all of EC2 takes longer to compile than weft.
package ec2

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Options are where things are; the zero value is what EC2 itself has.
type Options struct {
	// Metadata is the URL of the instance metadata service.
	Metadata string
	// API is the URL of the EC2 API; empty means that of the instance's region.
	API string
	// Getenv reads the environment, where credentials may be; nil means os.Getenv.
	Getenv func(string) string
	// Vendor is the file that names who made the machine.
	Vendor string
}

// Client talks to EC2 for the instance that it runs on. It is for one caller at a time.
type Client struct {
	options  Options
	http     *http.Client
	instance *instance // once known
}

// timeout bounds one request.
const timeout = 10 * time.Second

// New returns a client. It asks nothing before the first call.
func New(o Options) *Client {
	return &Client{options: o.complete(), http: &http.Client{Timeout: timeout}}
}

// Here tells whether this machine calls itself one of EC2's. It asks nobody.
func (c *Client) Here() bool {
	vendor, err := os.ReadFile(c.options.Vendor)
	return err == nil && strings.HasPrefix(string(vendor), "Amazon EC2")
}

// Interface is the primary network interface of the instance.
type Interface struct {
	ID string // "eni-0123456789abcdef0"
	// Check tells whether EC2 drops packets under foreign addresses.
	Check bool
}

// Check returns the interface with the state of its check.
func (c *Client) Check(ctx context.Context) (Interface, error) {
	me, err := c.identify(ctx)
	if err != nil {
		return Interface{}, err
	}
	var reply struct {
		Interfaces []struct {
			ID    string `xml:"networkInterfaceId"`
			Check bool   `xml:"sourceDestCheck"`
		} `xml:"networkInterfaceSet>item"`
	}
	err = c.call(ctx, "DescribeNetworkInterfaces", url.Values{
		"Filter.1.Name": {"attachment.instance-id"}, "Filter.1.Value.1": {me.ID},
		"Filter.2.Name": {"attachment.device-index"}, "Filter.2.Value.1": {"0"},
	}, &reply)
	if err != nil {
		return Interface{}, err
	}
	if len(reply.Interfaces) != 1 {
		return Interface{}, fmt.Errorf("EC2 knows %d primary network interfaces of instance %s; want one", len(reply.Interfaces), me.ID)
	}
	return Interface(reply.Interfaces[0]), nil
}

// Set switches the check of an interface.
func (c *Client) Set(ctx context.Context, id string, check bool) error {
	var reply struct {
		Return bool `xml:"return"`
	}
	err := c.call(ctx, "ModifyNetworkInterfaceAttribute", url.Values{"NetworkInterfaceId": {id}, "SourceDestCheck.Value": {strconv.FormatBool(check)}}, &reply)
	if err == nil && !reply.Return {
		err = fmt.Errorf("EC2 has not switched the source/destination check of %s and does not say why", id)
	}
	return err
}

// apiVersion is the version of the API whose calls these are.
const apiVersion = "2016-11-15"

// mostReply bounds what is read of an answer, in bytes.
const mostReply = 1 << 20

// call makes a signed request and reads its answer.
func (c *Client) call(ctx context.Context, action string, values url.Values, reply any) error {
	me, err := c.identify(ctx)
	if err != nil {
		return err
	}
	credentials, err := c.credentials(ctx)
	if err != nil {
		return err
	}
	values.Set("Action", action)
	values.Set("Version", apiVersion)
	body := values.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.api(me), strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("EC2 %s: %w", action, err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, hex.EncodeToString(sum[:]), "ec2", me.Region, time.Now()); err != nil {
		return fmt.Errorf("EC2 %s: sign: %w", action, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("EC2 %s: %w", action, err)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, mostReply))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("EC2 %s: %w", action, err)
	}
	if response.StatusCode != http.StatusOK {
		return refusal(action, response.Status, data)
	}
	if err := xml.Unmarshal(data, reply); err != nil {
		return fmt.Errorf("EC2 %s: answer: %w", action, err)
	}
	return nil
}

func (c *Client) api(me *instance) string {
	if c.options.API != "" {
		return c.options.API
	}
	domain := "amazonaws.com"
	if strings.HasPrefix(me.Region, "cn-") {
		domain = "amazonaws.com.cn"
	}
	return "https://ec2." + me.Region + "." + domain + "/"
}

// refusal turns an answer that says no into an error that says what to do.
func refusal(action, status string, data []byte) error {
	var reply struct {
		Errors []struct{ Code, Message string } `xml:"Errors>Error"`
	}
	if err := xml.Unmarshal(data, &reply); err != nil || len(reply.Errors) == 0 {
		return fmt.Errorf("EC2 %s: %s", action, status)
	}
	e := reply.Errors[0]
	switch e.Code {
	case "UnauthorizedOperation":
		return fmt.Errorf("EC2 %s: the credentials lack the IAM permission ec2:%s; add it to the policy of the instance's role (%s)", action, action, e.Code)
	case "AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch", "RequestExpired":
		return fmt.Errorf("EC2 %s: the credentials are not taken; check them, and the node's clock (%s: %s)", action, e.Code, e.Message)
	}
	return fmt.Errorf("EC2 %s: %s: %s", action, e.Code, e.Message)
}
