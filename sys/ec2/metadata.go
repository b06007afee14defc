// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

func (o Options) complete() Options {
	o.Metadata = strings.TrimSuffix(cmp.Or(o.Metadata, "http://169.254.169.254"), "/")
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	o.Vendor = cmp.Or(o.Vendor, "/sys/class/dmi/id/sys_vendor")
	return o
}

// instance is what the metadata service says of this machine.
type instance struct {
	ID     string `json:"instanceId"`
	Region string `json:"region"`
}

// identify asks once who this machine is.
func (c *Client) identify(ctx context.Context) (*instance, error) {
	if c.instance != nil {
		return c.instance, nil
	}
	var me instance
	if err := c.metadata(ctx, "dynamic/instance-identity/document", &me); err != nil {
		return nil, err
	}
	if me.ID == "" || me.Region == "" {
		return nil, errors.New("the instance identity document names no instance or no region")
	}
	c.instance = &me
	return c.instance, nil
}

// credentials returns those in the environment, or else those of the instance's IAM role.
func (c *Client) credentials(ctx context.Context) (aws.Credentials, error) {
	if id := c.options.Getenv("AWS_ACCESS_KEY_ID"); id != "" {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: c.options.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: c.options.Getenv("AWS_SESSION_TOKEN")}, nil
	}
	const path = "meta-data/iam/security-credentials/"
	var role string
	if err := c.metadata(ctx, path, &role); errors.Is(err, fs.ErrNotExist) {
		return aws.Credentials{}, errors.New("no credentials: give the instance an IAM role, or the agent AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	} else if err != nil {
		return aws.Credentials{}, err
	}
	var found struct{ AccessKeyId, SecretAccessKey, Token, Message string } //nolint:revive // as the service spells it
	if err := c.metadata(ctx, path+role, &found); err != nil {
		return aws.Credentials{}, err
	}
	if found.AccessKeyId == "" {
		return aws.Credentials{}, fmt.Errorf("instance metadata %s%s: it has no key; look at the instance's role (%s)", path, role, found.Message)
	}
	return aws.Credentials{AccessKeyID: found.AccessKeyId, SecretAccessKey: found.SecretAccessKey, SessionToken: found.Token}, nil
}

// metadata asks the instance metadata service, version 2: a session's token first. out is a *string for text, else it is read from JSON. The error
// Is fs.ErrNotExist where the service has no such thing.
func (c *Client) metadata(ctx context.Context, path string, out any) error {
	token, err := c.fetch(ctx, http.MethodPut, "api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
	if err != nil {
		return err
	}
	data, err := c.fetch(ctx, http.MethodGet, path, "X-aws-ec2-metadata-token", string(token))
	if err != nil {
		return err
	}
	if text, ok := out.(*string); ok {
		*text, _, _ = strings.Cut(string(data), "\n")
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("instance metadata %s: %w", path, err)
	}
	return nil
}

func (c *Client) fetch(ctx context.Context, method, path, header, value string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.options.Metadata+"/latest/"+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("instance metadata %s: %w", path, err)
	}
	request.Header.Set(header, value)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("instance metadata %s (is this an EC2 instance, and may the agent use its metadata service?): %w", path, err)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, mostReply))
	err = errors.Join(err, response.Body.Close())
	switch {
	case err != nil:
		return nil, fmt.Errorf("instance metadata %s: %w", path, err)
	case response.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("instance metadata %s: %w", path, fs.ErrNotExist)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("instance metadata %s: %s", path, response.Status)
	}
	return data, nil
}
